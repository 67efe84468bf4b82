"""What a live HADR pair would not have after a takeover: facts laid against the rules."""
