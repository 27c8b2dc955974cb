"""Other people's numbers: power logs and reports of other tools, each judged before it is shown."""
