"""What a generator is, and the file it is kept in. Knows neither the server nor the trainer."""
