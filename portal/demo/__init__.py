"""An invented company, loaded through the services, so that there is something to see."""
