"""Text to tokens: offsets, spans, token stores."""
