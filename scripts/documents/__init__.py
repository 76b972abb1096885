"""What is made of the documents, or made for them."""
