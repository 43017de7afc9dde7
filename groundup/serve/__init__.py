"""Floor 15: HTTP. An API that speaks OpenAI's language and a chat page, on the engine of `infer`. Begin with app.py."""
