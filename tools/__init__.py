"""Scripts that make what is published: pictures, the documentation site, releases."""
