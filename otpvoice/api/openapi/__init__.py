"""The OpenAPI document at ``/openapi.json``, generated from the endpoints and their types."""
