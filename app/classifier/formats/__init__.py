"""Image files taken apart as browsers do it, so that their decoders see pixels alone."""
