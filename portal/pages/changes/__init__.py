"""Four eyes in the browser: propose, look at the difference and its effect, agree or not."""
