"""Published JavaScript clients asked the same tables of cases, and what they answer judged."""
