"""What a vendor tries a product with: a small hub of one's own (sandbox), and a judge of the product (conformance)."""
