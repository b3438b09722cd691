"""How each kind of client is connected to the gateway. Pure: rows of data, and one way to render them."""
