"""What a live PostgreSQL pair would not have after a takeover: facts laid against the rules."""
