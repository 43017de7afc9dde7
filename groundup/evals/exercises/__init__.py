"""The exercises of the course, one file a lesson; ../exercise.py says how one is written."""
