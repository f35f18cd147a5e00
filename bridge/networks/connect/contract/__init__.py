"""The contract with products as they read it: the table of what can be asked, and the OpenAPI document."""
