"""Places calls: claim, mark as sent, send, record. Never handles requests of clients or apps."""
