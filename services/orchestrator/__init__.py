"""`POST /chat`: a LangGraph graph that retrieves, answers by quotation and remembers sessions."""
