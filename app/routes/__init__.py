"""One router per resource; each only translates between HTTP and one call into the domain."""
