"""One page for one result or one study: no network, its charts drawn by Vega-Lite in the reader's browser."""
