"""A report document in the forms of other tools. A withheld figure is never a number in any of them."""
