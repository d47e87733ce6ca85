"""The keys that policies are signed with: which are published, which one signs, how they change."""
