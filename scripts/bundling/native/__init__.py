"""Native code in bundles: for whom it is, compiling hnswlib, and checking what was compiled."""
