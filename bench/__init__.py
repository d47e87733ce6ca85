"""Measurements of the whole portal under the weight of many people; nothing here is a test."""
