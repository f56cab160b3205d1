"""One model for all of a user's programs: an OpenAI-compatible server over a private socket.

`service` routes, `queue` lets one request at a time to the model, `connection` speaks HTTP,
`access` decides who may ask, `listen` opens the sockets.
"""
