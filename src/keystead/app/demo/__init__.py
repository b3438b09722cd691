"""A made-up organization with a past, to look at the product with."""
