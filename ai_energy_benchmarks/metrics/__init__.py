"""One file per meter; all of them are ``MetricsCollector``s."""
