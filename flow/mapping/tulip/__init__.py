"""Binary neurons as schedules of threshold evaluations on the processing elements of an array."""
