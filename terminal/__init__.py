"""What the commands share: failures as exit statuses, reading a text, asking before money is spent, tables."""
