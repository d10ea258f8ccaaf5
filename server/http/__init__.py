"""HTTP: the routes, what is checked before a body, waitress, the page. No torch anywhere in it."""
