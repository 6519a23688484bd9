"""Requests to answers, together where that is cheaper; knows nothing of images, torch or this service.

    socket ── connections ── turns ──┐                        routes      which endpoint, with which arguments
                admission, access ── dispatcher ── endpoint   calls       what it is given, what it gives back
    ASGI ──── front ─────────────────┘       └─ together      forms       bodies with several parts
                └── FastAPI, for all other routes             problems    refusals, and how they look

An endpoint of a direct route is a function of the call, of what the service gives by name, and of its options. It may
await `together`, and nothing else; what it returns is the answer; `call.afterwards` runs soon after it is sent.
A service that makes words large, all words of a turn in one call:

    def capitals(words):
        return [word.upper() for word in words]

    class WordRoute(DirectRoute):
        max_body_bytes = staticmethod(lambda limits: 1024)
        is_light = staticmethod(lambda call, length, named: True)

    async def shout(call: DepCall) -> str:
        return await together(capitals, bytes(call.content).decode())

    fastapi = FastAPI()
    routes = [WordRoute("/shout", shout, methods=["POST"])]
    fastapi.router.routes += routes
    dispatcher = Dispatcher(routes)
    application = Front(fastapi, dispatcher)
"""
