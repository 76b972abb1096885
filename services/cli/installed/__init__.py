"""What a wheel has at its top; a checkout has it on its path as well."""
