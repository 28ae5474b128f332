"""Gateway: sources, events, pictures and questions over HTTP, and the page. Imports neither model nor torch."""
