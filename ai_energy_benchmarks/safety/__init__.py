"""What may enter and leave the process: no pipe as input, no secret, no control character and no formula as output."""
