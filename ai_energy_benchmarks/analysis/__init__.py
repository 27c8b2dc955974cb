"""Pure functions over series and trials: no I/O, no clocks."""
