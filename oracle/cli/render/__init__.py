"""What commands print: tables and lines for people, JSON for machines. A module has what one command group shows."""
