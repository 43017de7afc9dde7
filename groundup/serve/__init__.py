"""Floor 15: HTTP. OpenAI's API and a chat page, on the engine of `infer`. Begin with app.py."""
