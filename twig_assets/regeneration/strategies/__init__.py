"""The strategies of regeneration, one file each."""
