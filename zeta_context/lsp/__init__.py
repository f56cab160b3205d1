"""Being a language server peer: framing, requests, client; no policy."""
