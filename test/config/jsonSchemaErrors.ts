// What an editor would underline: a JSON Schema validator for the keywords that our schema uses. Any other keyword is an error.

type Schema = Readonly<Record<string, unknown>>;
type Keyword = (wanted: never, value: unknown, path: string, schema: Schema) => string[];

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const says = (isRight: boolean, path: string, what: string) => (isRight ? [] : [`${path}: ${what}`]);
const ofNumber =
  (isRight: (value: number, bound: number) => boolean, word: string): Keyword =>
  (bound: number, value, path) =>
    typeof value === "number" ? says(isRight(value, bound), path, `not ${word} ${bound}`) : [];

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isMap,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
};

const keywords: Readonly<Record<string, Keyword>> = {
  type: (name: string, value, path) => says(types[name]?.(value) ?? false, path, `no ${name}`),
  const: (wanted: unknown, value, path) => says(value === wanted, path, `not ${String(wanted)}`),
  enum: (wanted: readonly unknown[], value, path) => says(wanted.includes(value), path, `none of ${wanted.join(", ")}`),
  minimum: ofNumber((value, bound) => value >= bound, "at least"),
  maximum: ofNumber((value, bound) => value <= bound, "at most"),
  exclusiveMinimum: ofNumber((value, bound) => value > bound, "above"),
  exclusiveMaximum: ofNumber((value, bound) => value < bound, "below"),
  minLength: (bound: number, value, path) => (typeof value === "string" ? says(value.length >= bound, path, "too short") : []),
  pattern: (text: string, value, path) =>
    typeof value === "string" ? says(new RegExp(text).test(value), path, `does not match ${text}`) : [],
  minItems: (bound: number, value, path) => (Array.isArray(value) ? says(value.length >= bound, path, "too few items") : []),
  maxItems: (bound: number, value, path) => (Array.isArray(value) ? says(value.length <= bound, path, "too many items") : []),
  items: (schema: unknown, value, path, { prefixItems }) =>
    !Array.isArray(value)
      ? []
      : value
          .slice(Array.isArray(prefixItems) ? prefixItems.length : 0)
          .flatMap((item, index) => schemaErrors(schema, item, `${path}.${index}`)),
  prefixItems: (schemas: readonly unknown[], value, path) =>
    Array.isArray(value) ? schemas.flatMap((schema, index) => schemaErrors(schema, value[index], `${path}.${index}`)) : [],
  required: (keys: readonly string[], value, path) =>
    isMap(value) ? keys.flatMap((key) => says(Object.hasOwn(value, key), path, `lacks ${key}`)) : [],
  properties: (schemas: Schema, value, path) =>
    isMap(value)
      ? Object.entries(schemas).flatMap(([key, schema]) =>
          Object.hasOwn(value, key) ? schemaErrors(schema, value[key], `${path}.${key}`) : [],
        )
      : [],
  additionalProperties: (schema: unknown, value, path, { properties }) =>
    isMap(value)
      ? Object.entries(value).flatMap(([key, item]) =>
          isMap(properties) && Object.hasOwn(properties, key) ? [] : schemaErrors(schema, item, `${path}.${key}`),
        )
      : [],
  propertyNames: (schema: unknown, value, path) =>
    isMap(value) ? Object.keys(value).flatMap((key) => schemaErrors(schema, key, `${path}.${key}`)) : [],
  anyOf: (schemas: readonly unknown[], value, path) => ofSeveral(schemas, value, path, (right) => right > 0),
  oneOf: (schemas: readonly unknown[], value, path) => ofSeveral(schemas, value, path, (right) => right === 1),
  ...Object.fromEntries(["$schema", "title", "description", "default"].map((name) => [name, () => []])),
};

/** The errors of the branch with the fewest, where too few or too many branches are right. */
function ofSeveral(schemas: readonly unknown[], value: unknown, path: string, isRight: (right: number) => boolean): string[] {
  const tried = schemas.map((schema) => schemaErrors(schema, value, path)).sort((a, b) => a.length - b.length);
  if (isRight(tried.filter((errors) => errors.length === 0).length)) return [];
  return tried[0]?.length ? tried[0] : [`${path}: several branches are right`];
}

/** One line for each thing in `value` that the schema refuses: "path: what". */
export function schemaErrors(schema: unknown, value: unknown, path = ""): string[] {
  if (typeof schema === "boolean") return says(schema, path, "unknown key");
  if (!isMap(schema)) throw new Error(`${path}: not a schema: ${JSON.stringify(schema)}`);
  return Object.entries(schema).flatMap(([name, wanted]) => {
    const keyword = keywords[name];
    if (keyword === undefined) throw new Error(`${path}: this validator lacks the keyword ${name}`);
    return keyword(wanted as never, value, path, schema);
  });
}
