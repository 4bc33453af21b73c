"""Places calls and delivers events. Never handles requests of clients or apps."""
