"""`manage.py up`: the whole portal in one terminal, without Django in the supervising process."""
