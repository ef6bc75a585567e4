"""The outbound side: provider rows, credentials, and the only HTTP client."""
