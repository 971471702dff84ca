"""The same job done in five ways: POST → a row and an event committed here → published → consumed once into another database.

Each contender is a module with `prepare` (streams), `web` (the app that takes the POST) and `hear` (the other unit). All answer the same
validated POST with the same 201, behind the same uvicorn, on the same durable PostgreSQL and NATS.
"""
