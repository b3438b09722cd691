"""What is known of models: facts that ship with the package, and what each credential's provider says it serves."""
