"""How a report is described, and how it becomes a PDF and a CSV file."""
