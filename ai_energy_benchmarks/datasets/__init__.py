"""One file per source of prompts."""
