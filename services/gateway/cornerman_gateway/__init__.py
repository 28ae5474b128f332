"""The web face: sources, events, pictures and questions over HTTP, and the page. Knows no model and imports no
torch.
"""
