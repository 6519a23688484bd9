// Swagger UI on this service's own description; all addresses are relative, so that any prefix before them stays.

SwaggerUIBundle({
  dom_id: "#docs",
  url: "openapi.json",
  validatorUrl: null, // it would be a service elsewhere
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
});
