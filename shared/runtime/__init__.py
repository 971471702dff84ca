"""What a unit stands on: manifest, settings, database handles, sign-in, refusals, web and process frame."""
