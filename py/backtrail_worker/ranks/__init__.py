"""Several processes that train one model together; rank 0 leads and alone speaks to the coordinator."""
