"""`idol lsp`: the language server protocol in front of `idol.editor`, through pygls."""
