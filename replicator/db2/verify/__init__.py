"""Whether a HADR standby that is open for reads holds what its primary holds, read beside those who write."""
